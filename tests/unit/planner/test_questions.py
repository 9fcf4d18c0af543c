"""`plan` with nothing but a model asks for what else it needs, at a terminal."""

import sys

import pytest

from planner.__main__ import main


def answers(monkeypatch, *given):
    """A person who types these lines, and then ends the input."""
    lines = iter(given)

    def read(question):
        print(question, end="")
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


def test_a_hub_id_alone_is_asked_for_the_rest_and_shown_as_a_command(monkeypatch, capsys):
    answers(monkeypatch, "L2O", "l20", "2", "two", "1", "8192", "4")
    assert main(["plan", "Qwen/Qwen3-8B"]) == 0
    said = capsys.readouterr().out
    assert "'L2O' isn't in the catalog; set gpu to L20" in said
    assert "'two' is no number above 0" in said
    command = "--model Qwen/Qwen3-8B --gpu l20 --gpus-per-machine 2 --machines 1 --context 8192 --concurrency 4"
    assert f"python -m planner plan {command}\n" in said
    assert "1 machine with 2 x L20" in said


def test_an_end_of_input_leaves_the_rest_to_the_planner(monkeypatch, capsys):
    answers(monkeypatch, "ecs.gn8is-2x.8xlarge")
    assert main(["plan", "qwen3-8b"]) == 0
    assert "1 x ecs.gn8is-2x.8xlarge, 2 x L20" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [(["plan"], "give a hub id such as"), (["plan", "nobody/Nothing-7B"], "give its config.json's path")],
)
def test_a_model_that_is_missing_or_unknown_is_said_before_anything_is_asked(monkeypatch, capsys, words, says):
    answers(monkeypatch)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.out == ""


def test_nobody_is_asked_without_a_terminal(capsys):
    assert main(["plan", "qwen3-8b"]) == 0
    assert "instance type" not in capsys.readouterr().out
