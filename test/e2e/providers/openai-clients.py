"""Clients of OpenAI's API for Python. Each prints its answer as {"name", "text"}, one JSON a line.

Arguments: base URL, API key, a prompt with {name} for each client's name, a webhook as JSON with secret, payload and headers.
"""

import json
import sys
import threading
import time

import litellm
import openai

base_url, api_key, prompt, webhook = sys.argv[1:]
# It would print on standard output.
litellm.suppress_debug_info = True
client = openai.OpenAI(base_url=base_url, api_key=api_key, max_retries=60)
MODEL = "kimi-k2.6"


def chat(text):
    return client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": text}]).choices[0].message.content


def polled(text):
    response = client.responses.create(model=MODEL, input=text, background=True)
    while response.status in ("queued", "in_progress"):
        time.sleep(0.5)
        response = client.responses.retrieve(response.id)
    return response.output_text


def streamed(text):
    stream = client.responses.create(model=MODEL, input=text, background=True, stream=True)
    answer, last = "", -1
    while True:
        try:
            for event in stream:
                last += 1
                assert event.sequence_number == last, (event.sequence_number, last)
                if event.type == "response.created":
                    response_id = event.response.id
                elif event.type == "response.output_text.delta":
                    answer += event.delta
                elif event.type == "response.completed":
                    return answer
        except openai.APIConnectionError:
            pass  # The connection was cut.
        stream = client.responses.retrieve(response_id, stream=True, starting_after=last)


def litellm_chat(text):
    answer = litellm.completion(
        model=f"openai/{MODEL}",
        api_base=base_url,
        api_key=api_key,
        max_retries=60,
        messages=[{"role": "user", "content": text}],
    )
    return answer.choices[0].message.content


def litellm_stream(text):
    chunks = litellm.completion(
        model=f"openai/{MODEL}",
        api_base=base_url,
        api_key=api_key,
        max_retries=60,
        stream=True,
        extra_headers={"Idempotency-Key": "litellm-stream"},
        messages=[{"role": "user", "content": text}],
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def until_whole(ask):
    """A chat's stream that is cut cannot be resumed by its client: with the same request it gets the answer from its beginning."""

    def repeated(text):
        while True:
            try:
                return ask(text)
            except Exception as error:
                print(f"again after {type(error).__name__}: {error}", file=sys.stderr)
                time.sleep(0.5)

    return repeated


CLIENTS = {
    "openai-chat": chat,
    "openai-polled": polled,
    "openai-streamed": streamed,
    "litellm-chat": litellm_chat,
    "litellm-stream": until_whole(litellm_stream),
}


def run(name, ask):
    text = ask(prompt.replace("{name}", name))
    print(json.dumps({"name": name, "text": text}), flush=True)


event = openai.OpenAI(api_key=api_key).webhooks.unwrap(**json.loads(webhook))
print(json.dumps({"name": event.type, "text": event.data.id}), flush=True)

threads = [threading.Thread(target=run, args=item) for item in CLIENTS.items()]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
