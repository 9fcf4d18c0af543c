"""Bad settings and configs are refused kindly, never with a traceback; the bench runs ten thousand."""

import pytest

from tests.unit.planner.generated import outcomes


@pytest.mark.parametrize("seed", range(4))
def test_every_generated_mistake_is_a_refusal_with_setting_reason_and_remedy(seed, tmp_path):
    """500 a seed. Any other exception fails the test by itself."""
    refusals = list(outcomes(seed, 500, tmp_path))
    assert len(refusals) > 250
    for refusal in refusals:
        assert all((refusal.code, refusal.setting, refusal.reason, refusal.remedy)), repr(refusal)
        assert "\n" not in str(refusal)
        assert len(str(refusal)) < 1200, str(refusal)
