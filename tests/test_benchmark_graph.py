"""The output of scripts/benchmark.py graph."""

import json

from command_line import run_script


def graph(cache, data, *arguments: str) -> str:
    flags = ["--data", data, "--steps", 2, "--repeats", 1, "--batches", 3, 1]
    result = run_script("benchmark.py", "graph", *flags, *arguments, cache=cache)
    assert result.code == 0, result.errors
    return result.output


def test_every_batch_with_every_feature(tmp_path, small_data):
    printed = json.loads(graph(tmp_path, small_data, "--json"))
    features = ["none", "words of captions", "512 numbers a view"]
    assert [(row["features"], row["batch"]) for row in printed["walks"]] == [
        (name, batch) for batch in (3, 1) for name in features
    ]
    assert all(row["steps_per_second"] > 0 for row in printed["walks"])
    assert printed["threads"] >= 1


def test_the_table_names_what_was_measured(tmp_path, small_data):
    printed = graph(tmp_path, small_data)
    assert "2 steps, medians of 1 runs" in printed
    assert "512 numbers a view" in printed
