import pytest
import torch
from torch import nn
from torch.nn import functional as F

from satsr.errors import SatsrError
from satsr.train.shares import Batch, in_shares

BATCH = {
    "x": torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)),
    "target": torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(1)),
}


class Net(nn.Module):
    """A frozen, an unused and two trained layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)
        self.frozen, self.unused = nn.Conv2d(2, 2, 1).requires_grad_(False), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.frozen(self.second(torch.relu(self.first(x))))


def gradients(shares: int) -> tuple[torch.Tensor, dict[str, torch.Tensor | None]]:
    network = Net()

    def loss(batch: Batch) -> torch.Tensor:
        return F.mse_loss(network(batch["x"]), batch["target"])

    value = in_shares(loss, BATCH, list(network.parameters()), shares)
    value.backward()
    return value.detach(), {name: parameter.grad for name, parameter in network.named_parameters()}


@pytest.mark.parametrize("shares", [2, 3, 6])
def test_the_parts_together_have_the_loss_and_the_gradients_of_the_whole_batch(shares: int) -> None:
    value, found = gradients(shares)
    expected, whole = gradients(1)
    torch.testing.assert_close(value, expected)
    for name, gradient in whole.items():
        if gradient is None:
            assert found[name] is None, name
        else:
            torch.testing.assert_close(found[name], gradient)


def test_a_part_is_added_in_its_turn_whichever_thread_ends_first() -> None:
    first, second = gradients(3), gradients(3)
    assert torch.equal(first[0], second[0])
    assert all(
        b is None if a is None else b is not None and torch.equal(a, b)
        for a, b in zip(first[1].values(), second[1].values(), strict=True)
    )


def test_the_threads_compute_in_the_precision_of_their_caller() -> None:
    seen: list[torch.dtype] = []
    network = Net()

    def loss(batch: Batch) -> torch.Tensor:
        out = network(batch["x"])
        seen.append(out.dtype)
        return out.float().square().mean()

    with torch.autocast("cpu", torch.bfloat16):
        in_shares(loss, BATCH, list(network.parameters()), 2)
    assert seen == [torch.bfloat16] * 2


def test_a_batch_that_has_no_such_parts_is_refused() -> None:
    with pytest.raises(SatsrError, match=r"6 samples cannot be divided into train\.shares = 4"):
        gradients(4)
