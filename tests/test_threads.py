"""The thread pool: what callers see of it, whatever its workers happen to be doing."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import pytensor as torch


@pytest.fixture
def threads():
    """A setter for the number of threads that the test may call; the number before comes back after it."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def work(n: int) -> float:
    x = torch.arange(n, dtype=torch.float64)
    return (x + 1).sum().item()


# Below the grain, a few grains (may wait for workers that are awake) and many.
SIZES = (1000, 100_000, 2_000_000)


@pytest.mark.parametrize("pause", [0, 1e-4, 2e-3], ids=["busy", "spinning", "asleep"])
def test_results_do_not_depend_on_whether_workers_sleep(threads, pause):
    threads(2)
    for _ in range(20):
        for n in SIZES:
            time.sleep(pause)
            assert work(n) == n * (n + 1) / 2


def test_many_callers_at_once(threads):
    threads(2)
    with ThreadPoolExecutor(6) as callers:
        sizes = SIZES * 20
        assert list(callers.map(work, sizes)) == [n * (n + 1) / 2 for n in sizes]


def test_number_of_threads_changes_while_others_compute(threads):
    stop = threading.Event()
    sums = []

    def compute() -> None:
        while not stop.is_set():
            sums.append(work(100_000))

    caller = threading.Thread(target=compute)
    caller.start()
    for i in range(200):
        threads(1 + i % 4)
        assert work(100_000) == 100_000 * 100_001 / 2
    stop.set()
    caller.join()
    assert set(sums) == {100_000 * 100_001 / 2}


@pytest.mark.parametrize("count", [2, 3, 8])
def test_teams_of_a_walk_give_the_same_with_any_number_of_threads(threads, count):
    torch.manual_seed(0)
    net = torch.nn.LSTM(32, 256)
    x = torch.randn(12, 3, 32)
    threads(1)
    with torch.no_grad():
        expected = net(x)[0]
        threads(count)
        for pause in (0, 0, 1e-4, 2e-3):
            time.sleep(pause)
            assert torch.equal(net(x)[0], expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_computes_alone(threads):
    threads(2)
    work(2_000_000)
    child = os.fork()
    if child == 0:
        ok = all(work(n) == n * (n + 1) / 2 for n in SIZES)
        os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert work(2_000_000) == 2_000_000 * 2_000_001 / 2
