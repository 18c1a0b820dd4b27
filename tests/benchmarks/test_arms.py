from __future__ import annotations

import math


def test_the_arm_trains_as_a_run_does(benchmark_module):
    """What the training benchmarks and gpu_sweep.py measure is made from today's parts."""
    arms, cases = benchmark_module("arms"), benchmark_module("cases")
    case = cases.Case("test", 128, 4, records=8)
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    arm = arms.build_bertkit(case, records, "fp32", "cpu", micro_batch_size=2)
    (step,) = arm.feed.steps(0, 1)
    assert step.sequences == 4 and len(step.micro_batches) == 2
    (numbers,) = arm.stepper.read([arm.stepper.train(step, 0)])
    # New weights know nothing: the loss is that of an even guess, of words and of pairs.
    assert math.isclose(numbers["loss"], math.log(cases.VOCAB) + math.log(2), rel_tol=0.05)
