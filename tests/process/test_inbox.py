from __future__ import annotations

import os
import select
import signal

from supervisor.process.inbox import FAULTS, IGNORED, JOB_CONTROL, Inbox

from .nursery import elsewhere, sleep_until


def opened(*named: int) -> Inbox:
    inbox = Inbox()
    inbox.open(named)
    return inbox


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def is_readable(inbox: Inbox) -> bool:
    return bool(select.select([inbox], [], [], 0)[0])


def test_signals_are_kept_until_they_are_taken() -> None:
    def act() -> tuple[tuple[int, ...], ...]:
        inbox = opened()
        send(signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
        return inbox.take(), inbox.take()

    assert elsewhere(act) == ((signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP), ())


def test_a_signal_that_comes_twice_before_it_is_taken_counts_once() -> None:
    def act() -> tuple[tuple[int, ...], ...]:
        inbox = opened()
        send(signal.SIGTERM, signal.SIGHUP, signal.SIGTERM)
        taken = inbox.take()
        send(signal.SIGTERM)
        return taken, inbox.take()

    assert elsewhere(act) == ((signal.SIGTERM, signal.SIGHUP), (signal.SIGTERM,))


def test_the_inbox_is_readable_while_there_is_something_to_take() -> None:
    def act() -> list[bool]:
        inbox = opened()
        seen = [is_readable(inbox)]
        send(signal.SIGTERM)
        seen.append(is_readable(inbox))
        inbox.take()
        return [*seen, is_readable(inbox)]

    assert elsewhere(act) == [False, True, False]


def test_a_full_wake_up_pipe_loses_no_signal() -> None:
    def act() -> tuple[tuple[int, ...], bool]:
        inbox = opened()
        for _ in range(70_000):
            send(signal.SIGUSR1)
        send(signal.SIGTERM)
        return inbox.take(), is_readable(inbox)

    assert elsewhere(act) == ((signal.SIGUSR1, signal.SIGTERM), False)


def test_sigchld_is_taken_like_any_other_signal() -> None:
    def act() -> tuple[int, ...]:
        inbox = opened()
        if os.fork() == 0:
            os._exit(0)
        sleep_until(lambda: is_readable(inbox))
        os.wait()
        return inbox.take()

    assert elsewhere(act) == (signal.SIGCHLD,)


def test_every_signal_that_would_end_supinit_is_caught() -> None:
    def act() -> tuple[list[int], tuple[int, ...]]:
        inbox = opened()
        numbers = set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}
        deadly = sorted(int(number) for number in numbers - FAULTS - IGNORED - JOB_CONTROL)
        send(*deadly)
        return deadly, inbox.take()

    sent, taken = elsewhere(act)
    assert list(taken) == sent
    assert {signal.SIGTERM, signal.SIGALRM, signal.SIGIO, signal.SIGRTMIN + 3, signal.SIGRTMAX} <= set(taken)


def test_harmless_signals_are_caught_only_if_the_table_names_them() -> None:
    def act() -> tuple[int, ...]:
        inbox = opened(signal.SIGWINCH)
        send(signal.SIGWINCH, signal.SIGCONT, signal.SIGURG, signal.SIGPIPE, signal.SIGXFSZ)
        return inbox.take()

    assert elsewhere(act) == (signal.SIGWINCH,)


def test_signals_blocked_or_ignored_by_the_parent_are_caught() -> None:
    """The mask and ignored signals are inherited from the parent (sigprocmask(2), execve(2))."""

    def act() -> tuple[tuple[int, ...], set[signal.Signals | int]]:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD, signal.SIGINT})
        inbox = opened()
        send(signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        return inbox.take(), set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    assert elsewhere(act) == ((signal.SIGTERM, signal.SIGHUP, signal.SIGINT), set())


def test_a_signal_that_arrived_while_blocked_is_not_lost() -> None:
    def act() -> tuple[int, ...]:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        send(signal.SIGTERM)
        return opened().take()

    assert elsewhere(act) == (signal.SIGTERM,)
