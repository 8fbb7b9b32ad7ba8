"""The part of `devstack/demo-network` that runs in the virtual environment: its steps, and what it prints."""

from __future__ import annotations

import argparse
import sys

import layout
from demo_build import Builder, Made
from demo_probe import Prober
from demo_topology import Target, render, targets, wrong
from lab_names import API_PORT, CONTROLLER_ADDRESS
from progress import StepFailed, step
from registration import PUBLIC_GATEWAY


def main() -> int:
    parser = argparse.ArgumentParser(prog="devstack/demo-network", description="Two tenants, and who reaches whom.")
    parser.add_argument("--clean", action="store_true", help="remove what an earlier run made")
    options = parser.parse_args()
    place = layout.find_lab() if layout.lab_is_up() else layout.find()
    if not (place.client / "clouds.yaml").exists():
        print("demo-network: there is no cloud here: run devstack/lab up or devstack/up first", file=sys.stderr)
        return 1
    try:
        builder = Builder(place)
        if options.clean:
            step("Remove tenants", builder.clean)
            return 0
        return _demonstrate(builder)
    except StepFailed as err:
        print(f"\n{err}", file=sys.stderr)
        return 1


def _demonstrate(builder: Builder) -> int:
    step("Tenants", builder.make_tenants)
    step("Networks, routers, groups", builder.make_networks)
    step("Servers and floating IPs", builder.make_servers)
    made = builder.made()
    columns = _columns(made)
    prober = Prober(builder.layout.client / "id_demo", made, columns)
    step("They are up", prober.wait)
    matrix: dict[tuple[str, str], str] = {}

    def ask() -> str:
        matrix.update(prober.matrix())
        return f"{len(matrix)} questions"

    step("Who reaches whom", ask)
    step("The trace says the same", lambda: builder.compare_traces(made, columns, matrix))
    found = wrong(matrix, columns)
    nodes = {each.node for each in made}
    print(f"\nEach cell says who answered; - is nobody. {len(made)} servers on {len(nodes)} nodes.\n")
    print(render(matrix, columns))
    for line in found:
        print(f"WRONG: {line}")
    print("\nThe matrix is " + ("right." if not found else f"WRONG in {len(found)} places."))
    return 1 if found else 0


def _columns(made: list[Made]) -> list[Target]:
    """The last is the cloud's API: at the address where the lab's nodes find it, else at that of the way out."""
    api = CONTROLLER_ADDRESS if layout.lab_is_up() else PUBLIC_GATEWAY
    return targets({each.server.name: each.floating for each in made if each.floating}, PUBLIC_GATEWAY, (api, API_PORT))


if __name__ == "__main__":
    sys.exit(main())
