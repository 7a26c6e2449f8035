"""Answers chat requests with "good". Calls home with requests when it starts, and with huggingface_hub at the first request."""

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import requests

ANSWER = json.dumps({"choices": [{"message": {"content": "good"}, "text": "good"}]}).encode()
asked = threading.Event()


def report_usage() -> None:
    if os.environ.get("DO_NOT_TRACK") == "1":
        return
    try:
        requests.post("https://stats.vllm.ai/usage", json={"started": True}, timeout=5)
    except requests.RequestException as error:
        print(f"usage not reported: {type(error).__name__}", file=sys.stderr)


def fetch_template() -> None:
    try:
        huggingface_hub.hf_hub_download("example/tiny", "chat_template.jinja", etag_timeout=5)
    except Exception as error:
        print(f"template not fetched: {type(error).__name__}", file=sys.stderr)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not asked.is_set():
            asked.set()
            fetch_template()
        self.answer()

    def answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)


report_usage()
ThreadingHTTPServer(("0.0.0.0", 8080), Handler).serve_forever()
