"""Goes from raw text to an evaluated run in the current folder; for test_elsewhere.py.

With two workers: they are new processes, in which the other system is seen as well.
"""

import sys

from bertkit.cli import main

STEPS = """
download sample --output raw
extract --input raw/text --output docs --workers 2
split --input docs --output split --valid 0.1
make-records --input split/train --vocab bertkit-uncased-8k --msl 64 --output train --workers 2
make-records --input split/valid.txt --vocab bertkit-uncased-8k --msl 64 --output valid
pretrain --dry-run --preset tiny --gbs 8 --input train --vocab bertkit-uncased-8k --output run
pretrain --preset tiny --gbs 8 --max-steps 4 --steps-this-run 2 --input train --eval-input valid
    --vocab bertkit-uncased-8k --output run
pretrain --preset tiny --gbs 8 --max-steps 4 --input train --eval-input valid
    --vocab bertkit-uncased-8k --output run
eval --checkpoint run --input valid --max-records 8
convert run --output model
"""

if __name__ == "__main__":
    for step in STEPS.strip().replace("\n    ", " ").splitlines():
        status = main(step.split())
        if status not in (0, 75) or (status == 75 and "--steps-this-run" not in step):
            sys.exit(f"bertkit {step}: exit status {status}")
