"""aiohttp, with what it does unless it is told otherwise."""

import asyncio
import os
import sys

import aiohttp


async def call(name: str) -> int:
    base = os.environ["BASE"]
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        if name == "models":
            request = session.get(f"{base}/models")
        elif name == "generate":
            request = session.post(
                f"{base}/v1/ideogram-v3/generate",
                data=os.environ["JSON"],
                headers={"Content-Type": "application/json"},
            )
        elif name == "remix":
            form = aiohttp.FormData()
            form.add_field("prompt", "a lighthouse")
            form.add_field("rendering_speed", "TURBO")
            form.add_field("image", open(os.environ["FILE"], "rb"), filename="photo.png", content_type="image/png")
            request = session.post(f"{base}/v1/ideogram-v3/remix", data=form)
        elif name == "health":
            request = session.get(f"{base}/-/health")
        else:
            request = session.head(f"{base}/-/health")
        async with request as response:
            await response.read()
            return response.status


print(asyncio.run(call(sys.argv[1])))
