"""FastAPI doing ddt-api's live read of equity: one GET from Redis, and the same fields as JSON.

    python3 fastapi_read.py PORT REDIS_SOCKET

It has less to do than ddt-api: it leaves out the drawdown of the range, which comes from MySQL.
"""

import json
import sys
from decimal import Decimal

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI

app = FastAPI()
store = redis.Redis(unix_socket_path=sys.argv[2])


@app.get("/api/v1/metrics/equity/{profile_id}")
async def equity(profile_id: int):
    text = await store.get(f"telemetry:equity:{profile_id}:latest")
    value = json.loads(text) if text else {}

    def number(name):
        said = value.get(name)
        return None if said is None else float(Decimal(said))

    current, used = number("account_equity"), number("margin_used")
    realized, unrealized = number("realized_pnl"), number("unrealized_pnl")
    return {
        "profile_id": profile_id,
        "current_equity": current, "account_equity": current,
        "total_pnl": None if realized is None or unrealized is None else realized + unrealized,
        "unrealized_pnl": unrealized, "realized_pnl": realized,
        "margin_used": used, "margin_available": number("margin_available"),
        "margin_utilization_pct": used / current * 100 if used is not None and current else None,
        "open_positions_count": value.get("open_positions_count"),
        "timestamp": value.get("timestamp"), "metadata": value.get("metadata") or {},
        "max_drawdown": None, "max_drawdown_pct": None,
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
