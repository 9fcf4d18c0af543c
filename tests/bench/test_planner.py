"""The planner at work: its import, ten thousand mistakes, a thousand candidates."""

import os
import statistics
import subprocess
import sys
import time

from planner import PlanRequest, find_model, rented
from planner.catalog.machines import instance_types
from planner.search import find_plans
from tests.unit.planner.generated import outcomes
from tests.unit.stacks.generated import refusals

CANDIDATES = 1000
SECONDS = 0.5
IMPORT_SECONDS = 0.15
IMPORTS = 9


def test_the_planner_is_imported_in_a_seventh_of_a_second(tmp_path):
    """By Python's own count, the median of several; what is compiled once lies beside the code, as in any project."""
    kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", "-c", "import planner"]

    def seconds() -> float:
        timings = subprocess.run(command, env=os.environ | kept, check=True, capture_output=True, text=True).stderr
        own, whole, name = timings.splitlines()[-1].removeprefix("import time:").split("|")
        assert name.strip() == "planner", own
        return int(whole) / 1e6

    first = seconds()
    times = [seconds() for _ in range(IMPORTS)]
    print(
        f"\nimport planner: {statistics.median(times):.3f} s (median of {IMPORTS}); with its compilation {first:.3f} s"
    )
    assert statistics.median(times) <= IMPORT_SECONDS


def test_ten_thousand_generated_mistakes_end_in_kind_refusals(tmp_path):
    started = time.perf_counter()
    refusals = list(outcomes(2026, 10_000, tmp_path))
    codes = sorted({refusal.code for refusal in refusals})
    print(f"\n{len(refusals)} refusals of 10,000 in {time.perf_counter() - started:.1f} s; codes: {', '.join(codes)}")
    assert len(refusals) > 5000
    assert all(r.code and r.setting and r.reason and r.remedy and "\n" not in str(r) for r in refusals)


def test_ten_thousand_mistakes_in_settings_are_refused_before_any_resource():
    """As `pulumi up` reads them, up to the plan; another exception than a refusal fails the test by itself."""
    started = time.perf_counter()
    messages = list(refusals(2026, 10_000))
    planned = sum("this can't work" in text for text in messages)
    seconds = time.perf_counter() - started
    print(f"\n{len(messages)} refusals of 10,000 in {seconds:.1f} s; {planned} of them by the plan")
    assert len(messages) > 7000
    assert planned > 300
    assert all("nothing was created or changed" in text and text.count("\n") for text in messages)


def test_a_thousand_candidates_are_searched_in_half_a_second():
    """Of one core. A candidate: one split of a model on one number of machines of one type; the first search counts."""
    clusters = tuple(rented(name, n) for name in instance_types() for n in range(1, 17))
    request = PlanRequest(
        model=find_model("qwen3-235b-a22b"), clusters=clusters, arguments={"max_model_len": "32768"}, concurrency=2
    )
    started = time.process_time()
    searched = find_plans(request)
    seconds = time.process_time() - started
    tried = len(searched.plans) + len(searched.refused)
    print(
        f"\n{tried} candidates, {len(searched.plans)} fit, in {seconds:.2f} s: "
        f"{seconds / tried * CANDIDATES:.2f} s a thousand"
    )
    assert tried >= CANDIDATES
    assert seconds / tried * CANDIDATES <= SECONDS
