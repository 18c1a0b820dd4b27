"""The commands behind every row of docs/coming-from.md, with small inputs in place of large ones.

{w} is a folder of small inputs (`test_coming_from.world`), {out} a new folder, {shared} the
reference data. A command may begin with the exit status it must end with: `3: pretrain ...`.
`NOTHING` stands for a row without a command to run; a path is the test that runs it.
"""

from __future__ import annotations

from docs.coming_from_checkpoints import TENSORFLOW_1, TENSORFLOW_2, PYTORCH, GRAPHCORE_CHECKPOINTS, CEREBRAS_CHECKPOINTS, HUGGING_FACE_CHECKPOINTS
from docs.coming_from_programs import GOOGLE, HUGGING_FACE, HUGGING_FACE_TASKS, CEREBRAS_ROWS, HABANA_ROWS, GRAPHCORE_ROWS

# Heading of a table → the commands of its rows, by the beginning of the left cell.
WALKS: dict[str, dict[str, list[str] | str]] = {
    "MLPerf's and Google's TensorFlow programs": GOOGLE,
    "Hugging Face based pretraining": HUGGING_FACE,
    "Hugging Face's scripts of fine-tuning": HUGGING_FACE_TASKS,
    "Cerebras' programs": CEREBRAS_ROWS,
    "Habana's and NVIDIA's PyTorch programs": HABANA_ROWS,
    "Graphcore's programs": GRAPHCORE_ROWS,
    "Google's TensorFlow 1 programs, and MLPerf": TENSORFLOW_1,
    "TensorFlow 2 (official models)": TENSORFLOW_2,
    "NVIDIA's and Habana's PyTorch programs": PYTORCH,
    "Graphcore's PyTorch programs": GRAPHCORE_CHECKPOINTS,
    "Cerebras": CEREBRAS_CHECKPOINTS,
    "Hugging Face": HUGGING_FACE_CHECKPOINTS,
}
