"""Public functions for a training loop of one's own: batches in the order of `pretrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertkit.api.arguments import Config, Inputs, resolved

if TYPE_CHECKING:
    from torch import Tensor
    from torch.utils.data import DataLoader

    from bertkit.tasks.pretraining.config import PretrainConfig
    from bertkit.tasks.pretraining.dataset import TrainingDataset


def training_dataset(
    inputs: Inputs,
    config: Config = None,
    *,
    from_text: bool = False,
    preset: str | None = None,
    padding: str = "longest",
    first_step: int = 0,
    rank: int = 0,
    world: int = 1,
    **settings: Any,
) -> TrainingDataset:
    """The batches of a pretraining run as a torch `IterableDataset`, one per optimizer step.

    The settings are those of `pretrain`, and with the same ones these are its batches:
    `global_batch_size` sequences in each, `max_steps` or `epochs` of them, in the order of
    `seed`. An epoch is shuffled whole; a batch may hold the end of one and the begin of the
    next.

    A batch has the names that transformers' models take: `input_ids`, `token_type_ids`,
    `attention_mask` and `labels`, int64 [B, L], the labels -100 where nothing is to be
    predicted; and `next_sentence_label`, int64 [B], unless there are none.

    Args:
        inputs: Record files, globs, folders or `@list.txt`; with `from_text`, sentence files.
        config: Settings of `pretrain`: a mapping, a file or a `PretrainConfig`.
        from_text: Make the records of sentence files in memory; needs the setting `vocab`.
        preset: A shipped recipe to start from, see `presets`.
        padding: `longest`: rows as long as the longest sequence of the batch; `max_length`: as
            long as records are, so that all batches have one shape.
        first_step: Steps done before, where a run goes on.
        rank: Of this process, where several share every batch.
        world: How many they are; each gets its part of `global_batch_size`.
        **settings: Single settings by name, such as `global_batch_size=32`.

    Returns:
        A dataset with a length; give it to a `DataLoader` with `batch_size=None`.

    Raises:
        DataError: Missing or broken records, text or vocabulary.
        ConfigError: A wrong, unknown or contradicting setting.

    Example:
        >>> dataset = bertkit.training_dataset("data/records", global_batch_size=8, max_steps=5)
        >>> len(dataset), [batch["input_ids"].shape[0] for batch in dataset]
        (5, [8, 8, 8, 8, 8])
        >>> dataset = bertkit.training_dataset(
        ...     "data/split/train", from_text=True, vocab="vocab.txt", max_steps=1,
        ... )
        >>> sorted(next(iter(dataset)))
        ['attention_mask', 'input_ids', 'labels', 'next_sentence_label', 'token_type_ids']
    """
    from bertkit.tasks.pretraining.dataset import Share, TrainingDataset

    found = _settings(inputs, config, settings, from_text, preset)
    return TrainingDataset(found, Share(first_step, rank, world), padding)


def data_loader(
    inputs: Inputs,
    config: Config = None,
    *,
    from_text: bool = False,
    preset: str | None = None,
    padding: str = "longest",
    first_step: int = 0,
    rank: int = 0,
    world: int = 1,
    num_workers: int = 0,
    pin_memory: bool = False,
    **settings: Any,
) -> DataLoader[dict[str, Tensor]]:
    """`training_dataset` in a torch `DataLoader`.

    Args:
        inputs: Record files, globs, folders or `@list.txt`; with `from_text`, sentence files.
        config: Settings of `pretrain`: a mapping, a file or a `PretrainConfig`.
        from_text: Make the records of sentence files in memory; needs the setting `vocab`.
        preset: A shipped recipe to start from, see `presets`.
        padding: As in `training_dataset`.
        first_step: Steps done before, where a run goes on.
        rank: Of this process, where several share every batch.
        world: How many they are.
        num_workers: Processes that prepare batches; 0: this one does. The order of the batches
            does not depend on it. A script needs `if __name__ == "__main__":` for it where
            Python does not fork, as on macOS and Windows.
        pin_memory: Copy batches into pinned memory, for CUDA.
        **settings: Single settings by name, such as `global_batch_size=32`.

    Returns:
        A loader of batches: tensors by name.

    Raises:
        DataError: Missing or broken records, text or vocabulary.
        ConfigError: A wrong, unknown or contradicting setting.

    Example:
        >>> loader = bertkit.data_loader("data/records", global_batch_size=8, max_steps=5)
        >>> model = bertkit.new_model(vocab="vocab.txt", hidden_size=32, num_hidden_layers=1,
        ...     num_attention_heads=2, intermediate_size=64)
        >>> optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        >>> for batch in loader:
        ...     loss = model(**batch).loss
        ...     loss.backward()
        ...     optimizer.step()
        ...     optimizer.zero_grad()
        >>> model.save("runs/own")
        'runs/own'
    """
    from torch.utils.data import DataLoader

    dataset = training_dataset(
        inputs,
        config,
        from_text=from_text,
        preset=preset,
        padding=padding,
        first_step=first_step,
        rank=rank,
        world=world,
        **settings,
    )
    return DataLoader(dataset, batch_size=None, num_workers=num_workers, pin_memory=pin_memory)


def _settings(
    inputs: Inputs, config: Config, settings: dict[str, Any], from_text: bool, preset: str | None
) -> PretrainConfig:
    from bertkit.api.pretraining import ONE_PROCESS, samples_of
    from bertkit.external_configs.detect import translate_file
    from bertkit.tasks.pretraining.config import PretrainConfig

    return resolved(
        PretrainConfig,
        config,
        settings,
        {**samples_of(inputs, from_text), "output": "(nothing is written)"},
        preset=preset,
        below=[ONE_PROCESS],
        translate_file=translate_file,
    ).config
