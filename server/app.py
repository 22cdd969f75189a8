"""The coordinator's ServerApp: reads the run config, composes the strategy, conducts the run."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp
from flwr.superlink.grid import InMemoryGrid

from fedsa.deploy.look import look
from fedsa.runs.orphans import go_with_superlink
from fedsa.runs.serve import serve
from strategies import STRATEGIES

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one scenario to its end, or only look who is there; see the run folder."""
    deployed = not isinstance(grid, InMemoryGrid)  # a simulation's nodes are in this process
    if deployed:
        go_with_superlink()
    if context.run_config.get("mode") == "check":
        look(grid, context.run_config)
        return
    serve(grid, context.run_config, STRATEGIES, deployed=deployed)
