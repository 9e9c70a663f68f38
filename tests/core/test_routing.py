"""What a signal to the container means."""

from __future__ import annotations

from signal import SIGHUP, SIGINT, SIGPWR, SIGQUIT, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH

import pytest

from supervisor.core.program import Settings
from supervisor.core.record import replace
from supervisor.core.routing import Forward, Ignore, Shutdown, Update, route, signals_named_by

from .worlds import plan_of, program

PLAIN = plan_of(program("web"))
MAPPED = plan_of(
    replace(program("web"), signals=((SIGUSR1, SIGUSR2), (SIGHUP, SIGHUP), (SIGTERM, SIGINT))),
    replace(program("db"), signals=((SIGUSR1, SIGUSR1), (SIGWINCH, None))),
    program("other"),
)


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT, SIGQUIT, SIGPWR, SIGRTMIN + 3])
def test_any_images_stopsignal_will_do(signal: int) -> None:
    assert route(PLAIN, signal) == Shutdown()


def test_shutdown_signals_are_what_the_table_says() -> None:
    plan = plan_of(program("web"), settings=Settings(shutdown_signals=(SIGUSR1,)))
    assert (route(plan, SIGUSR1), route(plan, SIGTERM)) == (Shutdown(), Ignore())


def test_a_shutdown_signal_is_one_though_a_program_maps_it() -> None:
    assert route(MAPPED, SIGTERM) == Shutdown()


def test_sighup_reads_the_configuration_again() -> None:
    assert route(PLAIN, SIGHUP) == Update()


def test_sighup_is_forwarded_where_a_program_names_it() -> None:
    assert route(MAPPED, SIGHUP) == Forward((("web", SIGHUP),))


def test_a_signal_goes_to_every_program_that_names_it_as_what_it_wants() -> None:
    assert route(MAPPED, SIGUSR1) == Forward((("web", SIGUSR2), ("db", SIGUSR1)))


def test_a_signal_that_a_program_drops_goes_nowhere() -> None:
    assert route(MAPPED, SIGWINCH) == Forward(())


def test_a_signal_that_nobody_names_is_ignored() -> None:
    assert route(MAPPED, SIGUSR2) == Ignore()


def test_the_signals_of_the_table_are_those_of_its_maps_and_those_that_begin_the_shutdown() -> None:
    plan = plan_of(replace(program("db"), signals=((SIGUSR1, None),)), settings=Settings(shutdown_signals=(SIGTERM,)))
    assert signals_named_by(plan) == {SIGUSR1, SIGTERM}
