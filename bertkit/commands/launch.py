"""`bertkit launch`: command lines and jobs for many devices."""

from __future__ import annotations

from typing import Any

import click

from bertkit.commands import options

KINDS = ("torchrun", "mpirun", "poprun", "csrun", "kubernetes", "slurm")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("kind", type=click.Choice([*KINDS, "check"]))
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--backend", default="", metavar="NAME", help="The machine: cuda, hpu, ipu, cs, cpu.")
@click.option("--devices", type=click.IntRange(min=1), default=1, metavar="N", help="In all.")
@click.option("--per-node", type=int, default=0, metavar="N", help="Devices of one node.")
@click.option("--name", default="bertkit", help="Of the job.", show_default=True)
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="For every process; repeatable.")
@click.option("--rendezvous", default="", metavar="HOST:PORT", help="torchrun on several nodes.")
@click.option("--instances", type=int, default=1, metavar="N", help="poprun: host processes.")
@click.option("--address", default="", metavar="HOST", help="csrun: of the system.")
@click.option("--image", default="", help="kubernetes: container image with bertkit in it.")
@click.option("--namespace", default="default", help="kubernetes: of the job.")
@click.option("--mount", multiple=True, metavar="/HOST:/CONTAINER", help="kubernetes: repeatable.")
@click.option("--cpu", default="", help="kubernetes: cores of a container.")
@click.option("--memory", default="", help="kubernetes: of a container, such as 64Gi.")
@click.option("--setup", default="", help="kubernetes: a shell command to run first.")
@click.option("--hours", type=int, default=24, help="slurm: time limit.", show_default=True)
@click.option("--partition", default="", help="slurm: of the cluster.")
@click.option("--output", "-o", default="", metavar="FILE", help="Write it there, not to stdout.")
@options.common_options
def command(kind: str, words: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Print or write what starts a command on many devices.

    \b
    torchrun    one process per device, by PyTorch's launcher
    mpirun      one process per Gaudi card
    poprun      replicas on Graphcore's IPUs
    csrun       Cerebras' older systems: their run.py with a params file
    kubernetes  a Pod for one card or for data, an MPIJob for several Gaudi cards
    slurm       a batch script that is queued again until the run is finished
    check       look through Kubernetes documents: bertkit launch check FILE...

    Documents are checked before they are written: against Kubernetes' schemas, and that
    cards, slots, processes, huge pages and the global batch fit together.

    \b
    Example:
      bertkit launch torchrun --backend cuda --devices 8 -- pretrain --preset large-phase1 ...
      bertkit launch kubernetes --backend hpu --devices 8 --image IMAGE --mount /data:/data \\
        --output phase1.yaml -- pretrain --preset large-phase1 --input /data/records ...
    """
    from bertkit.launch.launch import check_files, plan

    if kind == "check":
        checked = check_files(words)
        options.finish(
            {"checked": checked}, as_json, "\n".join(f"{name}: fits" for name in checked)
        )
        return
    found = plan(kind, words, **given)
    options.finish(
        {"kind": kind, "text": found, "output": given["output"]},
        as_json,
        "" if given["output"] else found.rstrip("\n"),
    )
