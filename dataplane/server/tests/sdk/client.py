"""The official Python SDK as a client: `client.py URL MODE CALLS`.

MODE is `legacy` or `auto` (asks `server/discover` first, as the SDK does by default). CALLS is a JSON array of
`{"tool", "arguments"}`. Prints one JSON object: what was negotiated, listed, answered, and the progress of each call.
"""

import asyncio
import json
import sys

from mcp import Client


async def main(url, mode, calls):
    async with Client(url, mode=mode) as client:
        tools = await client.list_tools()
        results = []
        for call in calls:
            progress = []

            async def on_progress(done, total, message, progress=progress):
                progress.append(done)

            answer = await client.call_tool(call["tool"], call["arguments"], progress_callback=on_progress)
            text = "".join(getattr(part, "text", "") for part in answer.content)
            results.append({"text": text, "isError": bool(answer.is_error), "progress": progress})
        info = client.server_info
        return {
            "version": client.protocol_version,
            "server": info.name if info else None,
            "tools": [tool.name for tool in tools.tools],
            "results": results,
        }


print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))))
