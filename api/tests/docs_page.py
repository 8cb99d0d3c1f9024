"""Uses /docs in a headless Chromium as a person would: opens `GET /api/hello`, presses Execute, and reads the answer.

    docs_page.py URL-OF-THE-SERVICE

Fails when the answer is not 200, when a script of the page fails, or when anything asks another host. Chromium is told
what to do over a pipe (chromedevtools.github.io/devtools-protocol), so this needs Python alone.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

DEADLINE_SECONDS = 60
FLAGS = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    # No name leads anywhere, so nothing can leave this machine unseen.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
OPERATION = "#operations-about-hello"


class Browser:
    """A Chromium, and one page of it."""

    def __init__(self, program, folder):
        flags = FLAGS + [f"--user-data-dir={folder}/profile"]
        if os.geteuid() == 0:
            # Its sandbox refuses root; the page is ours.
            flags.append("--no-sandbox")
        to_browser, from_browser = f"{folder}/to", f"{folder}/from"
        for name in [to_browser, from_browser]:
            os.mkfifo(name)
        script = 'to=$1 from=$2; shift 2; exec "$@" 3<"$to" 4>"$from"'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", to_browser, from_browser, program, *flags],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.input = open(to_browser, "wb", buffering=0)
        self.output = open(from_browser, "rb", buffering=0)
        self.numbers = itertools.count(1)
        self.received = b""
        self.events = []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Network", "Page", "Runtime"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.input.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def read(self):
        while b"\0" not in self.received:
            chunk = self.output.read(65536)
            if not chunk:
                raise SystemExit("Chromium has ended")
            self.received += chunk
        message, self.received = self.received.split(b"\0", 1)
        return json.loads(message)

    def when(self, what, expression):
        """The value of a JavaScript expression, as soon as it is true."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            outcome = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
            value = outcome["result"].get("value")
            if value:
                return value
            time.sleep(0.1)
        raise SystemExit(f"waited in vain for {what}")

    def click(self, what, selector):
        self.when(what, f"(e => e && (e.click(), true))(document.querySelector({json.dumps(selector)}))")

    def close(self):
        self.process.terminate()
        self.process.wait(timeout=DEADLINE_SECONDS)


def main(url):
    names = ["chromium", "chromium-browser", "google-chrome"]
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise SystemExit(f"none of {', '.join(names)} is installed")
    # What the browser still writes at its end is no reason to fail.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(program, folder)
        try:
            browser.call("Page.navigate", url=f"{url}/docs/")
            browser.click("GET /api/hello", f"{OPERATION} .opblock-summary-control")
            # The page lets one try at once, unless that was switched off.
            button = f"{OPERATION} .try-out__btn"
            if "Try" in browser.when("Try it out", f"document.querySelector('{button}')?.textContent"):
                browser.click("Try it out", button)
            browser.click("Execute", f"{OPERATION} .btn.execute")
            answer = f"{OPERATION} .live-responses-table .response"
            status = browser.when("the answer", f"document.querySelector('{answer} .response-col_status')?.textContent")
            body = browser.when("its body", f"document.querySelector('{answer} .highlight-code')?.textContent")
            browser.call("Runtime.evaluate", expression="0")
            events = browser.events
        finally:
            browser.close()
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    elsewhere = [text for text in asked if not text.startswith((f"{url}/", "data:", "blob:"))]
    failures = [event["params"]["exceptionDetails"] for event in events if event["method"] == "Runtime.exceptionThrown"]
    if not status.startswith("200") or '"message"' not in body:
        raise SystemExit(f"GET /api/hello from the page: {status} {body}")
    if f"{url}/api/hello" not in asked:
        raise SystemExit(f"the page did not ask the service: {asked}")
    if elsewhere or failures:
        raise SystemExit(f"asked elsewhere: {elsewhere}; scripts failed: {failures}")
    print(f"/docs asked {len(asked)} times, this service only; GET /api/hello from the page: {status.strip()}")


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"))
