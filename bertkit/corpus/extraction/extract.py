"""`bertkit extract`: turns raw files into documents of one sentence per line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.corpus import forms, noticed
from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document_names import names_beside, remove_others
from bertkit.corpus.extraction.chain_inputs import check_chain_input
from bertkit.corpus.extraction.input_forms import InputForms, take_inputs
from bertkit.corpus.extraction.input_groups import Group, described
from bertkit.corpus.extraction.language_notes import (
    record_model,
    scripts_of,
    warn_of_scripts,
    wiki_languages,
)
from bertkit.corpus.extraction.parallel import make_part_together
from bertkit.corpus.extraction.part import (
    Part,
    PartFacts,
    make_part,
    raw_file,
    read_options,
    splitter_of,
)
from bertkit.corpus.extraction.result import ExtractResult
from bertkit.corpus.extraction.summary import WrittenText, say
from bertkit.corpus.inputs import gather, list_inputs
from bertkit.corpus.output_folder import OutputFolder, open_output_folder, state_of_output
from bertkit.corpus.sentences import splitter_rate
from bertkit.errors import DataError, UsageError
from bertkit.manifests.inputs import total_bytes
from bertkit.manifests.manifest import Manifest, working_folder
from bertkit.storage.files import free_bytes, is_remote, shard_name, size_of
from bertkit.storage.inner_names import remove_files
from bertkit.summary.sketch import level_for
from bertkit.workers.engine import Engine
from bertkit.workers.pool import check_executor, worker_count

# So many rejected documents are named in the log.
LOGGED = 10
# The forms of so many files are looked at before the work begins.
_LOOKED_AT = 1000
# Workers share a part if there is more input than this: less is done before they start.
SHARED_BYTES = 4_000_000


def extract(
    inputs: Sequence[str],
    output: str,
    config: ExtractConfig | None = None,
    *,
    workers: int = 0,
    prefix: str = "",
    overwrite: bool = False,
    executor: str = "processes",
    scheduler: str = "",
    part_bytes: int = 0,
) -> ExtractResult:
    """Turn raw text into `part-00000-of-0000N.txt` files of one sentence per line.

    Parts of a remote output folder are made here and uploaded one by one (`output_folder`).
    Small inputs are gathered in order until they reach `part_megabytes`, so the parts
    follow from the inputs and the settings alone, never from the number of workers.
    Finished parts are kept: the same call after an interruption resumes with the rest.

    Args:
        inputs: files, globs, folders or `@list.txt`.
        output: folder to fill; its manifest carries the statistics.
        config: the settings.
        workers: processes; 0 takes one per core.
        prefix: folder to which names in lists are relative.
        overwrite: replace what another run left in the folder.
        executor: `processes`, or `dask` for the cluster at `scheduler` (`pool.run_tasks`).
        scheduler: its address.
        part_bytes: size of a part where `part_megabytes` is too coarse; 0 leaves it to that.

    Raises:
        DataError: bad or empty input, or a folder of another run.
        MissingDependencyError: the splitter needs something that is not installed.
    """
    config = config or ExtractConfig()
    check_executor(executor, scheduler)
    if executor == "dask" and is_remote(output):
        raise UsageError("--executor dask needs a folder for --output that all workers see")
    started = time.perf_counter()
    with open_output_folder(output) as target:
        # Plan which files make which part, and hash the input.
        taken = _taken(inputs, prefix, config, output)
        groups = _groups(taken, config, part_bytes)
        engine = Engine(workers, executor, scheduler)
        planned = Manifest("extract", asdict(config), described(groups, engine))
        record_model(planned, config)
        # Refuses a folder of another run; gives the manifest of an interrupted one.
        with working_folder(target.folder, planned, overwrite, taken.paths) as manifest:
            fresh = not manifest.complete
            record_model(manifest, config)
            if fresh:
                taken.log()
                text = _fill(groups, manifest, target, config, engine)
                manifest.stats["text"] = text.figures(manifest.outputs, _place(target, output))
                warn_of_scripts(scripts_of(manifest), config, wiki_languages(manifest))
            spent = time.perf_counter() - started
            result = _result(manifest, target.folder, taken=taken, seconds=spent, fresh=fresh)
    if result.text:
        say(result.text)
    return replace(result, output=output)


def _fill(
    groups: Sequence[Group],
    manifest: Manifest,
    target: OutputFolder,
    config: ExtractConfig,
    engine: Engine,
) -> WrittenText:
    """Make the parts that are missing; gives the counts of what was written."""
    level = level_for(total_bytes(manifest.inputs))
    parts = _parts(groups, target.folder, config, level)
    if engine.executor == "dask":  # whose workers have another working directory
        parts = [_absolute(part) for part in parts]
    left = [part for part in parts if not _finished(manifest, part, target)]
    results = _made(left, manifest, engine)
    text = WrittenText(level)
    done = len(parts) - len(left)
    _record(manifest, parts, results, done=done, target=target, text=text)
    return text


def _taken(inputs: Sequence[str], prefix: str, config: ExtractConfig, output: str) -> InputForms:
    """The inputs and their forms; says at once if a model or a parser is missing."""
    files = list_inputs(inputs, prefix, leave_out=[output], texts=False)
    splitter_of(config)
    if config.chain != "own":
        # All of a few files; of many the first, and each one again before it is read.
        for name in files[:_LOOKED_AT]:
            check_chain_input(name, config)
    return take_inputs(files, inputs, config)


def plan(
    inputs: Sequence[str],
    output: str,
    config: ExtractConfig,
    prefix: str = "",
    overwrite: bool = False,
) -> dict[str, Any]:
    """What `extract` would do: counts of files, bytes and parts, and estimates.

    Raises:
        DataError: bad input, or the run would be refused by its output folder.
    """
    taken = _taken(inputs, prefix, config, output)
    total = sum(map(size_of, taken.paths))
    state = state_of_output(output, Manifest("extract", asdict(config)), total, overwrite)
    return {
        "files": len(taken.paths),
        "input_bytes": total,
        "parts": len(_groups(taken, config)),
        "forms": sorted(set(taken.names)) or forms.of_chain(config.chain),
        "taken_as": taken.lines,
        "left_out": taken.left_out,
        "estimated_bytes": total,
        "free_bytes": free_bytes(output),
        "estimated_core_seconds": round(total / splitter_rate(config.splitter), 1),
        "output_state": state,
    }


def _groups(taken: InputForms, config: ExtractConfig, part_bytes: int = 0) -> list[Group]:
    files, names = taken.paths, taken.names
    # Chains that must match byte for byte make one part per file.
    if config.chain != "own":
        return [Group((name,)) for name in files]
    if config.limit:
        # Documents are counted in order, so a limited run is one part.
        return [Group(tuple(files), tuple(names))]
    size = part_bytes or int(config.part_megabytes * 1_000_000)
    groups: list[Group] = []
    # A group of one file may be larger than a part; cut it if its form allows.
    pairs = list(zip(files, names, strict=True))
    for gathered in gather(pairs, [size_of(name) for name in files], size):
        group = Group(tuple(name for name, _ in gathered), tuple(form for _, form in gathered))
        groups += _cut(group, size, config) if len(gathered) == 1 else [group]
    return groups


def _cut(group: Group, size: int, config: ExtractConfig) -> list[Group]:
    """A group of a large file as spans, each a part of its own, where its form can be cut."""
    name = group.paths[0]
    if is_remote(name) or size_of(name) <= size:
        return [group]
    form = forms.form_named(group.forms[0])
    if form.spans is None:
        return [group]
    spans = form.spans(raw_file(name, config), size, read_options(config))
    return [group._replace(span=span) for span in spans] if len(spans) > 1 else [group]


def _place(target: OutputFolder, output: str) -> str:
    """Where finished parts are: here, or where they were uploaded to."""
    return output if is_remote(output) else target.folder


def _parts(groups: Sequence[Group], folder: str, config: ExtractConfig, level: int) -> list[Part]:
    return [
        Part(
            name=shard_name("part", index, len(groups), ".txt"),
            folder=folder,
            paths=group.paths,
            config=config,
            span=group.span,
            forms=group.forms,
            registered=forms.registered(),
            level=level,
        )
        for index, group in enumerate(groups)
    ]


def _absolute(part: Part) -> Part:
    """The part with full paths: workers on other machines have their own working directory."""
    paths = (name if is_remote(name) else str(Path(name).absolute()) for name in part.paths)
    return replace(part, folder=str(Path(part.folder).absolute()), paths=tuple(paths))


def _made(
    left: Sequence[Part], manifest: Manifest, engine: Engine
) -> Iterator[tuple[str, PartFacts]]:
    """Make these parts and yield each as it is finished."""
    if engine.executor == "processes" and _worth_sharing(left, manifest, engine.workers):
        # Fewer parts than workers, so all of them work on one part after the other.
        for part in left:
            yield make_part_together(part, engine.workers)
    else:
        for name, facts in engine.run(make_part, left):
            engine.arrived(left[0].folder, [name])
            yield name, facts


def _worth_sharing(left: Sequence[Part], manifest: Manifest, workers: int) -> bool:
    """True if so few parts are left that their workers should share each of them."""
    if not left or left[0].config.chain != "own":
        return False
    # Starting workers pays off only for enough text, and only if parts are few.
    total = total_bytes(manifest.inputs)
    return total >= SHARED_BYTES and 2 * len(left) <= worker_count(workers, sys.maxsize)


def _record(
    manifest: Manifest,
    parts: Sequence[Part],
    results: Iterable[tuple[str, PartFacts]],
    *,
    done: int,
    target: OutputFolder,
    text: WrittenText,
) -> None:
    """List parts in the manifest as they are finished; `done` of them were before."""
    bar = log.progress(total=len(parts), unit="part", description="extract")
    bar.update(done)
    for name, facts in results:
        # Write the manifest after every part: an interruption loses at most one.
        manifest.record(target.folder, {name: facts.stated()}, whole=target.remote)
        text.add(name, facts.text)
        target.keep(*filter(target.holds_here, (names_beside(name), name)))
        bar.update(1)
    bar.close()
    # In the order of the parts, however they finished.
    names = (part.name for part in parts if part.name in manifest.outputs)
    manifest.outputs = {name: manifest.outputs[name] for name in names}
    for found in manifest.outputs.values():  # kept by part until all of them are finished
        noticed.merge(manifest.stats.setdefault("noticed", {}), found.pop("noticed", {}))
    remove_others(target.folder, manifest.outputs)
    _warn(manifest)
    if not _total(manifest, "documents"):
        raise _nothing_found(manifest, parts, Path(target.folder))


def _nothing_found(manifest: Manifest, parts: Sequence[Part], folder: Path) -> DataError:
    """The error for inputs without any text; their empty parts do not stay."""
    # Name the first rejected document, which is often the reason.
    first = next((text for facts in manifest.outputs.values() for text in facts["named"]), "")
    remove_files(folder, manifest.outputs)
    manifest.outputs = {}
    remove_others(str(folder), {})
    count = len({name for part in parts for name in part.paths})
    return DataError(
        f"no document with text in {log.counted(count, 'file')}" + (f"; {first}" if first else ""),
        "name its encoding: --encoding cp1252 for Western Europe, cp1251, gb18030, shift_jis, ..."
        if "not UTF-8" in first
        else "check --form, --text-key and --encoding",
    )


def _finished(manifest: Manifest, part: Part, target: OutputFolder) -> bool:
    facts = manifest.outputs.get(part.name)
    return facts is not None and target.holds(part.name, facts["bytes"])


def _warn(manifest: Manifest) -> None:
    named = [text for facts in manifest.outputs.values() for text in facts["named"]]
    for text in named[:LOGGED]:
        log.logger.warning("skipped: %s", text)
    count = _total(manifest, "rejected")
    if count > LOGGED:
        log.logger.warning("skipped %d documents in all; the manifest lists them", count)


def _result(
    manifest: Manifest, output: str, *, taken: InputForms, seconds: float, fresh: bool
) -> ExtractResult:
    """The result of a run; one that was complete before is not written again."""
    input_bytes = total_bytes(manifest.inputs)
    files = len(taken.paths)
    counts = {
        key: _total(manifest, key)
        for key in ("documents", "sentences", "bytes", "empty", "rejected")
    }
    skipped: dict[str, int] = {}
    for facts in manifest.outputs.values():
        for kind, count in facts.get("skipped", {}).items():
            skipped[kind] = skipped.get(kind, 0) + count
    if fresh:
        totals = {"parts": len(manifest.outputs), "files": files, "input_bytes": input_bytes}
        seen = noticed.most_frequent(manifest.stats.get("noticed", {}))
        scripts = scripts_of(manifest)
        found = {**totals, **counts, "skipped": skipped, "noticed": seen, "scripts": scripts}
        found["text"] = manifest.stats.get("text", {})
        manifest.stats = {**found, "seconds": round(seconds, 3), **taken.facts}
        manifest.state = "complete"
        manifest.write(output)
    return ExtractResult(
        output=output,
        parts=len(manifest.outputs),
        files=files,
        input_bytes=input_bytes,
        **counts,
        skipped=skipped,
        noticed=manifest.stats.get("noticed", {}),
        left_out=sum(taken.left_out.values()),
        seconds=round(seconds, 3) if fresh else 0.0,
        up_to_date=not fresh,
        text=manifest.stats.get("text", {}),
    )


def _total(manifest: Manifest, key: str) -> int:
    return sum(int(facts[key]) for facts in manifest.outputs.values())
