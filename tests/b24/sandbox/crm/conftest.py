"""Two smart processes bound as an event and its participations are, on the module's portal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.b24.sandbox.client import Refused, Rest
from tests.b24.sandbox.crm.build import Built, build


@pytest.fixture(scope="module")
def built(rest: Rest) -> Built:
    """Types «Мероприятие» and «Участие», the second with one custom field of most kinds."""
    return build(rest)


@pytest.fixture
def refused() -> Any:
    """``refused(lambda: rest(…))`` returns (code, description) of the error the call must end in."""

    def catch(call: Any) -> tuple[Any, str]:
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.response.status_code == 400
        return caught.value.code, caught.value.body["error_description"]

    return catch
