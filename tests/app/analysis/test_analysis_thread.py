"""Computing has one thread of its own, whoever asks."""

import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from d24fad_core.detection.comparison import ModelIdentity
from d24fad_core.errors import SupportError
from d24fad_core.masking.choice import BrainMask
from d24fad_core.volumes.volume import Modality, Volume
from monailabel_app.analysis.analyses import Analyses, AnalysisRequest
from monailabel_app.analysis.analysis_thread import AnalysisThread
from monailabel_app.analysis.parameters import AnalysisParameters
from monailabel_app.analysis.results import ResultStore
from monailabel_app.failures import RequestError
from monailabel_app.store.database import Database


def test_all_work_is_done_in_one_other_thread_that_does_not_hold_up_the_end() -> None:
    thread = AnalysisThread()
    with ThreadPoolExecutor(4) as askers:
        places = set(askers.map(lambda _: thread.run(threading.current_thread), range(20)))
    (place,) = places
    assert place is not threading.current_thread()
    assert place.daemon


def test_each_gets_its_own_result() -> None:
    thread = AnalysisThread()
    with ThreadPoolExecutor(4) as askers:
        assert list(askers.map(lambda n: thread.run(lambda: n * n), range(50))) == [
            n * n for n in range(50)
        ]


@pytest.mark.parametrize("fault", [ValueError("wrong"), KeyboardInterrupt()])
def test_what_the_work_raises_is_raised_where_it_was_asked_for(fault: BaseException) -> None:
    thread = AnalysisThread()

    def work() -> None:
        raise fault

    with pytest.raises(type(fault)) as caught:
        thread.run(work)
    assert caught.value is fault
    assert thread.run(lambda: 1) == 1


def test_a_result_is_not_kept_until_the_next_work() -> None:
    class Study:
        pass

    thread = AnalysisThread()
    study = thread.run(Study)
    reference = weakref.ref(study)
    del study
    # The thread lets go just after it has handed the result over.
    for _ in range(6000):
        if reference() is None:
            break
        threading.Event().wait(0.01)
    assert reference() is None


def test_every_part_of_an_analysis_is_done_there(tmp_path: Path, database: Database) -> None:
    places: list[threading.Thread] = []

    class StandIn:
        """A detector, an image catalogue and a study; it notes who computes."""

        checkpoint_hash, name = "hash", "study"

        def prepare_support(self, *_: object) -> None:
            places.append(threading.current_thread())
            raise SupportError("seen enough", "stop.")

        def identity(self, _: object) -> ModelIdentity:
            return ModelIdentity("detector", "hash")

        def content_hash(self, _: object) -> str:
            return "content"

        def verify(self, _: object) -> None:
            pass

        def volume(self, _: object) -> Volume:
            return Volume(np.zeros((4, 4, 4), np.float32), np.eye(4), Modality.MR, "study")

        def source(self, *_: object) -> Volume:
            return self.volume(None)

    def load(_: Path) -> Any:
        places.append(threading.current_thread())
        return stand_in

    stand_in: Any = StandIn()
    store = ResultStore(tmp_path / "results", database)
    analyses = Analyses(load, tmp_path, stand_in, store, tmp_path)
    analyses.serve(tmp_path)
    parameters = AnalysisParameters(brain=BrainMask.NONE)
    with pytest.raises(RequestError, match="seen enough"):
        analyses.run(AnalysisRequest(stand_in, (stand_in, stand_in), parameters))
    assert len(places) == 3
    assert len(set(places)) == 1
    assert places[0] is not threading.current_thread()
