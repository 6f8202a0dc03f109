"""What every process of a run is told: settings, ports, secrets."""

from pathlib import Path

from bgreview.processes import free_port
from tests.databases import ENVIRONMENT
from tests.postgres import Embedded

WEBHOOK_SECRET = "whsec_" + "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk="
PROVIDER_SECRET = "whsec_" + "Y2hhb3MtY2hhb3MtY2hhb3MtY2hhb3MtY2hhb3M="
NAMES = ("web", "sandbox", "receiver", "redis")


def free_ports() -> dict[str, int]:
    return {name: free_port() for name in NAMES}


def environment(scratch: Path, ports: dict[str, int], broker: str) -> dict[str, str]:
    """For the processes, and for the driver, which works on the same database."""
    redis = f"redis://127.0.0.1:{ports['redis']}/0"
    return ENVIRONMENT | {
        "DATABASE_URL": Embedded.url_in(scratch),
        "OPENAI_BASE_URL": f"http://127.0.0.1:{ports['sandbox']}/v1",
        "OPENAI_WEBHOOK_SECRET": PROVIDER_SECRET,
        "SANDBOX_WEBHOOK_SECRET": PROVIDER_SECRET,
        "DEMO_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "Q_BROKER": "orm" if broker == "orm" else redis,
    }
