"""`bertkit push`: uploads the model of a run, with its card, to the model hub."""

from __future__ import annotations

from dataclasses import asdict

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import MODEL, OUTPUT
from bertkit.model.checkpoints.places import local_checkpoint


@options.command()
@click.argument("run", metavar="RUN", type=Place("RUN"))
@options.option(
    "--to",
    required=True,
    metavar="OWNER/NAME",
    help="Model on the hub; it is made if it is not there. OWNER is you or your organisation.",
    group=OUTPUT,
    first=True,
    example="my-name/bert-base-turkish",
)
@options.option(
    "--revision",
    default="",
    metavar="BRANCH",
    help="Branch to upload to.  [default: main]",
    group=OUTPUT,
    first=True,
    example="main",
)
@options.option(
    "--private", is_flag=True, help="Make a new model private.", group=OUTPUT, first=True
)
@options.option(
    "--unfinished",
    is_flag=True,
    help="Also upload the model of a run that has not ended yet.",
    group=OUTPUT,
)
@options.option(
    "--message",
    default="",
    metavar="TEXT",
    help="Message of the commit.",
    group=OUTPUT,
    example="Phase 2",
)
@options.card_options
@options.option(
    "--vocab", metavar="PATH", help="Vocabulary, if none lies beside the checkpoint.", group=MODEL
)
@options.option(
    "--dry-run",
    is_flag=True,
    help="List the files with their sizes; upload nothing.",
    group=OUTPUT,
    first=True,
)
@options.common_options
def command(
    run: str,
    to: str,
    revision: str,
    private: bool,
    unfinished: bool,
    message: str,
    license_name: str,
    data_license: str,
    languages: tuple[str, ...],
    vocab: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Upload the model of a run, with its card, to the model hub.

    RUN is the folder of a run, of which the best model or else the last checkpoint is converted
    as convert does; a checkpoint; or a folder that convert made. All files come in one commit,
    whose address is printed; what is there already is not sent again. Weights and tokenizer
    files of another form that were there before are removed in the same commit, so that nobody
    reads them by mistake.

    Log in before with `hf auth login`, or set HF_TOKEN.

    \b
    Example:
      bertkit push runs/phase2 --to my-name/bert-base-turkish --license apache-2.0 --language tr
      bertkit push runs/reviews --to my-name/reviews --private --dry-run
    """
    source = local_checkpoint(run)
    from bertkit.backends.sections import section_names
    from bertkit.model.checkpoints.convert import ConvertOptions
    from bertkit.tasks.push import PushOptions, next_step, push

    conversion = ConvertOptions(
        vocab=vocab,
        backends=section_names(),
        license_name=license_name,
        data_license=data_license,
        languages=languages,
    )
    result = push(
        source,
        PushOptions(
            to=to,
            revision=revision,
            private=private,
            dry_run=dry_run,
            unfinished=unfinished,
            message=message,
            conversion=conversion,
        ),
    )
    options.finish(asdict(result), as_json, result.text(), "" if dry_run else next_step(result))
