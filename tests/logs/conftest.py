from __future__ import annotations

from ..process.adoption import adopting as adopting
from ..process.conftest import nursery as nursery
