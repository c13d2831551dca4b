"""The simulation of a large run: what it counts adds up."""

from __future__ import annotations

from benchmarks.cluster_simulation import Costs, Scenario, simulated

COSTS = Costs(
    driver_seconds=0.001,
    own_seconds=0.0001,
    service_seconds=0.0001,
    look_seconds=0.00001,
    unit_bytes=400,
    outcome_bytes=100,
    settings_bytes=70_000,
)


def test_a_driver_with_time_to_spare_keeps_all_slots_busy() -> None:
    found = simulated(Scenario(slots=20, seconds=10, units=4000, spread=0.1), COSTS)
    assert found["done"] == 4000
    assert found["efficiency"] > 0.98
    assert 0.001 < found["driver_busy"] < 0.01
    assert found["units_per_second"] < 2


def test_a_driver_that_is_too_slow_shows() -> None:
    found = simulated(Scenario(slots=1000, seconds=0.5, units=20_000), COSTS)
    assert found["efficiency"] < 0.6
    assert found["driver_busy"] > 0.9
    assert 900 < found["units_per_second"] < 1000


def test_machines_that_fail_cost_time_and_no_unit() -> None:
    found = simulated(Scenario(slots=50, seconds=10, units=2000, failure_hours=0.2, noticed=30), COSTS)
    assert found["lost_slots"] > 5
    assert found["done"] == 2000
    assert found["efficiency"] < 0.97
