"""Text as tokens: nothing lost, nothing twice, the next character at each place, splits that do not mix."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth.core.errors import DataError, SettingError
from lth.core.seeds import Seeds
from lth.data.text import alphabet, text_data
from lth.from_settings import build_model, load_data
from lth.settings import DataSettings, ModelSettings, TrainingSettings
from lth.training.recipe import Recipe


@given(text=st.text(alphabet="abc d\n\u00e4\u6f22", min_size=60, max_size=300), context=st.integers(2, 5))
@pytest.mark.slow
def test_the_windows_of_a_text_are_the_text(tmp_path_factory: pytest.TempPathFactory, text: str, context: int) -> None:
    path = tmp_path_factory.mktemp("text") / "some.txt"
    path.write_bytes(f"ab{text}".encode())
    data, letters = text_data(str(path), context), alphabet(f"ab{text}")

    def decoded(tokens: torch.Tensor) -> str:
        return "".join(letters[token] for token in tokens.flatten().tolist())

    whole = f"ab{text}"
    end = len(whole) - round(0.1 * len(whole))
    for name, part in (("train", whole[:end]), ("test", whole[end:])):
        images, labels = data[f"{name}_images"], data[f"{name}_labels"]
        assert images.shape == labels.shape and images.shape[1] == context
        assert part.startswith(decoded(images)) and part[1:].startswith(decoded(labels))
        assert len(part) - 1 - images.numel() < context


def test_settings_give_contiguous_splits_and_a_transformer_that_predicts_every_place(tmp_path: Path) -> None:
    (tmp_path / "count.txt").write_text("".join(chr(ord("a") + n % 26) for n in range(1000)))
    settings = TrainingSettings(
        "imp",
        data=DataSettings("text", normalize="none", validation=5, path=str(tmp_path / "count.txt"), context=8),
        model=ModelSettings("transformer", "default", width=8.0, depth=1, heads=2),
        recipe=Recipe(iterations=4, batch_size=4),
    )
    data = load_data(settings)
    assert [len(x) for x in (data.train, data.validation, data.test)] == [107, 5, 12] and data.classes == 26
    assert data.task.targets == "tokens" and data.train.images.dtype == torch.int64
    for split in (data.train, data.validation, data.test):
        assert torch.equal(split.labels, (split.images + 1) % 26)
    joined = torch.cat([data.train.images, data.validation.images]).flatten()
    assert torch.equal(joined, torch.arange(len(joined)) % 26)
    network, _ = build_model(settings, data, Seeds().resolved())
    assert network(data.test.images).shape == (12, 8, 26)


def test_what_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "short").write_text("ab" * 20)
    (tmp_path / "same").write_text("a" * 2000)
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (("bytes", "can't decode"), ("none", "No such file"), ("pipe", "is a named pipe")):
        with pytest.raises(DataError, match=f"data.path=.*{name} cannot be read as text in UTF-8: .*{problem}"):
            text_data(str(tmp_path / name), 8)
    for name in ("short", "same"):
        with pytest.raises(SettingError, match=r"data\.context=8: is longer than the t.* split of"):
            text_data(str(tmp_path / name), 8)
    with pytest.raises(SettingError, match=r"data=text: needs data\.path=FILE"):
        text_data(None, 8)
