"""OpenAI's client has requests answered as a batch, and cancels another one. Prints the answers by their ids, and what became of both batches, as JSON.

Arguments: base URL, API key, a prompt, a prompt that is not answered for long.
"""

import json
import sys
import time

import openai

base_url, api_key, prompt, slow = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=api_key)


def create(text):
    lines = [
        json.dumps(
            {
                "custom_id": custom_id,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "kimi-k2.6", "messages": [{"role": "user", "content": f"{custom_id} {text}"}]},
            }
        )
        for custom_id in ("one", "two")
    ]
    file = client.files.create(file=("requests.jsonl", "\n".join(lines).encode()), purpose="batch")
    assert client.files.content(file.id).text == "\n".join(lines)
    return client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")


def ended(batch):
    while batch.status in ("validating", "in_progress", "finalizing", "cancelling"):
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    return batch


batch = ended(create(prompt))
lines = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
cancelled = create(slow)
client.batches.cancel(cancelled.id)
cancelled = ended(cancelled)
assert {each.id for each in client.batches.list(limit=1)} == {batch.id, cancelled.id}
print(
    json.dumps(
        {
            "answers": {line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"] for line in lines},
            "batches": [[each.status, each.request_counts.to_dict()] for each in (batch, cancelled)],
        }
    )
)
