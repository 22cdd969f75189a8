"""The coordinator's ServerApp: reads the run config, composes the strategy, conducts the run."""

from __future__ import annotations

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedsa.runs.serve import serve
from strategies import STRATEGIES

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run one scenario to its end; what happens is told in the run folder."""
    serve(grid, context.run_config, STRATEGIES)
