"""Agents behind an endpoint that speaks OpenAI's chat protocol, such as vision-language models."""

import base64
import io
import os
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from agents.agent import Agent, Decision
from vln.errors import InputError, unknown_name
from vln.packages import import_extra

SYSTEM = (
    "You are a robot in a building and follow an instruction, one action at a time. "
    "Stop when you are where the instruction ends. "
    "Think briefly, then end your answer with one line: ACTION: <one of the actions offered>"
)
ANSWER = re.compile(r"action\s*[:=]\s*[\"'`*]*([^\"'`*\n]+)", re.IGNORECASE)
HOPELESS = 8  # decisions without one good answer after which an evaluation ends
BACK_OFF = 0.5  # seconds before the second request, twice as many before the third, and so on
REFUSED = (401, 403)  # status codes of an endpoint that wants another key
FINAL = (400, 404, 405, 422)  # and of one that will not take this request at all


@dataclass(frozen=True)
class Question:
    """What the endpoint is asked about one episode."""

    instruction: str  # The sentence
    history: Sequence[str]  # Actions taken so far, by name
    offered: Mapping[int, str]  # Names of the actions offered, by number
    images: Sequence[bytes]  # PNG files

    def messages(self) -> list[dict[str, Any]]:
        """The messages of a request."""
        text = (
            f"Instruction: {self.instruction}\nActions so far: {', '.join(self.history) or 'none'}\n"
            f"Actions offered: {', '.join(self.offered.values())}"
        )
        parts: list[dict[str, Any]] = [{"type": "text", "text": text}]
        for image in self.images:
            url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": parts}]


class ChatAgent(Agent):
    """Asks an endpoint for every action; where no answer can be used it takes a fallback action, and counts that.

    `python scripts/evaluate.py --agent chat --agent-options url=http://localhost:8000/v1 model=my-model`
    """

    name = "chat"
    vocabulary = None

    def __init__(
        self,
        env: Any,
        url: str = "https://api.openai.com/v1",  # without `/chat/completions`
        model: str = "gpt-4o-mini",
        key: str = "",  # $OPENAI_API_KEY if empty
        timeout: float = 60.0,  # seconds after which a request has failed
        retries: int = 2,  # requests after a failed one, or after an answer that names no action
        num_envs: int = 8,  # episodes at a time, whose requests are sent at the same time
        fallback: str = "stop",  # action where all of these fail
        max_tokens: int = 300,  # of an answer
    ) -> None:
        self._httpx = httpx = import_extra("httpx", "chat", "agent 'chat'")
        self.num_envs, self._retries, self._fallback = num_envs, retries, fallback
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._body = {"model": model, "max_tokens": max_tokens, "temperature": 0}
        key = key or os.environ.get("OPENAI_API_KEY", "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=timeout, headers=headers)
        self._graph = not env.task.continuous
        self.failures: Counter[str] = Counter()
        self._good = self._tried = 0

    @property
    def notes(self) -> list[str]:
        """What went wrong so far, for people."""
        return [f"{count} {kind}" for kind, count in sorted(self.failures.items())]

    def begin(self, observation: dict[str, Any], seed: int) -> None:
        """Forget the episodes before."""
        count = len(next(iter(observation.values())))
        self._history: list[list[str]] = [[] for _ in range(count)]

    def act(self, observation: dict[str, Any], infos: dict[str, Any]) -> Decision:
        """Ask about all episodes at the same time."""
        running = [row for row, history in enumerate(self._history) if history[-1:] != ["stop"]]
        questions = {row: self._question(observation, infos, row) for row in running}
        offered = list(questions[running[0]].offered.values())
        if self._fallback not in offered:
            raise unknown_name("agent 'chat'", self._fallback, offered, "fallback '{}' is no action that is offered")
        # A short batch is filled up with its first episode, about which nothing is asked twice.
        asked: list[Question] = []
        for question in questions.values():
            if question not in asked:
                asked.append(question)
        with ThreadPoolExecutor(len(asked)) as pool:
            answers = list(pool.map(self._decide, asked))
        chosen = {row: answers[asked.index(question)] for row, question in questions.items()}
        for row, action in chosen.items():
            self._history[row].append(questions[row].offered[action])
        return Decision(np.array([chosen.get(row, 0) for row in range(len(self._history))], dtype=np.int64))

    def _question(self, observation: dict[str, Any], infos: dict[str, Any], row: int) -> Question:
        offered = {number: name for number, name in enumerate(infos["choices"][row]) if name}
        if self._graph and "candidate_heading" in observation:
            offered = {number: _candidate(observation, row, number) if number else "stop" for number in offered}
        images = [_png(observation["rgb"][row])] if "rgb" in observation else []
        return Question(str(infos["instruction"][row]), self._history[row], offered, images)

    def _decide(self, question: Question) -> int:
        """Ask, again where that fails; the number of the action."""
        messages, reply = question.messages(), ""
        for attempt in range(1 + self._retries):
            if attempt:
                time.sleep(BACK_OFF * 2 ** (attempt - 1))
            try:
                reply = self._ask(messages)
            except (self._httpx.TimeoutException, self._httpx.HTTPStatusError) as error:
                kind = "timed out" if isinstance(error, self._httpx.TimeoutException) else "failed"
                self.failures[f"requests that {kind}"] += 1
                continue
            action = chosen_action(reply, question.offered)
            if action is not None:
                self._good += 1
                return action
            self.failures["answers that name no action offered"] += 1
            again = f"That names none of the actions offered: {', '.join(question.offered.values())}"
            messages = [*messages, {"role": "assistant", "content": reply}, {"role": "user", "content": again}]
        return self._give_up(question, reply)

    def _give_up(self, question: Question, reply: str) -> int:
        self._tried += 1
        if not self._good and self._tried >= HOPELESS:
            said = f"the last answer begins {reply[:60]!r}" if reply else "; ".join(self.notes)
            problem = f"none of {self._tried} decisions had an answer that names an action ({said})"
            raise InputError(self._url, problem, "use a model that ends its answers with ACTION: and a name")
        self.failures[f"decisions that fell back to '{self._fallback}'"] += 1
        return next(number for number, name in question.offered.items() if name == self._fallback)

    def _ask(self, messages: list[dict[str, Any]]) -> str:
        """Send a request; the text of the answer."""
        try:
            response = self._client.post(self._url, json={**self._body, "messages": messages})
            if response.status_code in REFUSED:
                fix = "set $OPENAI_API_KEY, or give key= in --agent-options"
                raise InputError(self._url, f"refuses the key (status {response.status_code})", fix)
            if response.status_code in FINAL:
                problem = f"refuses the request (status {response.status_code}: {response.text[:100]!r})"
                raise InputError(self._url, problem, "check url= and model= in --agent-options")
            response.raise_for_status()
            return str(response.json()["choices"][0]["message"]["content"] or "")
        except self._httpx.ConnectError as error:
            raise InputError(self._url, f"cannot be reached ({error})", "start the endpoint, or correct url=") from None
        except (ValueError, KeyError, IndexError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            problem = f"does not speak the chat protocol (its answer begins {response.text[:60]!r})"
            raise InputError(self._url, problem, "give the address that ends before /chat/completions") from None


def chosen_action(reply: str, offered: Mapping[int, str]) -> int | None:
    """The number of the action that an answer names last; None if it names none that is offered."""
    names = {name.lower(): number for number, name in offered.items()}
    for found in reversed(ANSWER.findall(reply) or [reply]):
        text = found.strip().strip(".<>").lower()
        if text in names:
            return names[text]
        begun = [number for name, number in names.items() if text.startswith(f"{name} ") or name.startswith(f"{text} ")]
        if len(begun) == 1:
            return begun[0]
    return None


def _candidate(observation: dict[str, Any], row: int, number: int) -> str:
    """A candidate of a panorama in words, which tell it from the others by its number."""
    heading = float(np.degrees(observation["candidate_heading"][row, number]))
    metres = float(observation["candidate_distance"][row, number])
    side = "right" if heading >= 0 else "left"
    return f"move {number} ({abs(heading):.0f} degrees {side} and {metres:.1f} m)"


def _png(pixels: Any) -> bytes:
    """An image (H, W, 3) uint8 as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()
