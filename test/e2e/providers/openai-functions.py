"""Clients of OpenAI's API for Python, with a function. Each prints its answer as {"name", "text", "asked"}, one JSON a line.

Arguments: base URL, API key, a prompt with {name} for each client's name.
"""

import json
import sys

import litellm
import openai

base_url, api_key, prompt = sys.argv[1:]
# It would print on standard output.
litellm.suppress_debug_info = True
client = openai.OpenAI(base_url=base_url, api_key=api_key)
MODEL = "kimi-k2.6"

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "The weather of a city", "parameters": SCHEMA}


def run(call, asked):
    city = json.loads(call.arguments)["city"]
    asked.append(city)
    return f"20 °C in {city}"


def chat(text, asked, ask=client.chat.completions.create, model=MODEL):
    messages = [{"role": "user", "content": text}]
    while True:
        message = ask(model=model, messages=messages, tools=[{"type": "function", "function": WEATHER}]).choices[0].message
        if not message.tool_calls:
            return message.content
        messages.append(message)
        for call in message.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": run(call.function, asked)})


def litellm_chat(text, asked):
    def ask(**request):
        return litellm.completion(api_base=base_url, api_key=api_key, **request)

    return chat(text, asked, ask, f"openai/{MODEL}")


def respond(text, asked, continues):
    """With previous_response_id, or with all items so far."""
    items, previous = [{"role": "user", "content": text}], openai.omit
    while True:
        response = client.responses.create(
            model=MODEL, input=items, previous_response_id=previous, tools=[{"type": "function", **WEATHER}]
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        results = [
            {"type": "function_call_output", "call_id": call.call_id, "output": run(call, asked)} for call in calls
        ]
        if continues:
            items, previous = results, response.id
        else:
            items = [*items, *response.output, *results]


CLIENTS = {
    "openai-chat": chat,
    "openai-continued": lambda text, asked: respond(text, asked, True),
    "openai-items": lambda text, asked: respond(text, asked, False),
    "litellm-chat": litellm_chat,
}

for name, ask in CLIENTS.items():
    asked = []
    text = ask(prompt.replace("{name}", name), asked)
    print(json.dumps({"name": name, "text": text, "asked": asked}), flush=True)
