"""SimpleITK's number of threads while several registrations run."""

from SimpleITK import ProcessObject

from d24fad_core.support.registration import OneThread


def threads() -> int:
    return ProcessObject.GetGlobalDefaultNumberOfThreads()


def test_the_last_to_end_brings_the_number_of_threads_back() -> None:
    before = threads()
    ProcessObject.SetGlobalDefaultNumberOfThreads(3)
    try:
        one = OneThread()
        first, second = one.hold(), one.hold()
        first.__enter__()
        second.__enter__()
        assert threads() == 1
        first.__exit__(None, None, None)
        assert threads() == 1
        second.__exit__(None, None, None)
        assert threads() == 3
    finally:
        ProcessObject.SetGlobalDefaultNumberOfThreads(before)
