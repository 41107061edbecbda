"""The demo's own manners: what it opened it closes, whatever became of the day."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.market.published import TEN_TONNE_DAY
from chaos.session import Target
from deploy.demo import play
from deploy.demo.play import Demo, Stage

NOBODY = "http://127.0.0.1:1"


def test_a_day_that_cannot_even_begin_leaves_no_connection_to_a_counterparty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(Target(None, lambda name: name), [NOBODY], NOBODY, NOBODY)  # type: ignore[arg-type]
    demo = Demo(stage, TEN_TONNE_DAY, seed=1, out=tmp_path, repeat="registry demo", say=print)

    def no_registry(*_: object) -> None:
        assert not demo._exchange._http.is_closed
        raise play.DataError("the day was played")

    monkeypatch.setattr(Demo, "_refuse_played", no_registry)
    with pytest.raises(play.DataError):
        demo.play()

    assert demo._exchange._http.is_closed
    assert demo._bank._http.is_closed
