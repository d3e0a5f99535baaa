"""Batch normalisation over several processes is that of the whole batch."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta

import pytest
import torch
from torch import distributed, nn

from models.qanet.network import ViewNorm
from satsr.train.devices import device, share_statistics


@pytest.fixture
def one_process() -> Iterator[None]:
    store = distributed.HashStore()
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1, timeout=timedelta(seconds=60))
    yield
    distributed.destroy_process_group()


NORMS = [
    (nn.BatchNorm2d(4), (3, 4, 5, 6)),
    (nn.BatchNorm1d(4), (7, 4)),
    (nn.BatchNorm2d(4, affine=False, momentum=None), (3, 4, 5, 6)),
    (nn.BatchNorm2d(4, track_running_stats=False), (3, 4, 5, 6)),
    (ViewNorm(3), (6, 4, 5, 6)),
]


@pytest.mark.parametrize(("norm", "shape"), NORMS, ids=lambda value: type(value).__name__)
def test_of_one_process_it_equals_torchs(one_process: None, norm: nn.Module, shape: tuple[int, ...]) -> None:
    own, theirs = nn.Sequential(deepcopy(norm)), nn.Sequential(deepcopy(norm))
    share_statistics(own)
    share_statistics(own)
    assert isinstance(own[0], type(theirs[0])) and list(own.state_dict()) == list(theirs.state_dict())
    for training in (True, True, False):
        results = []
        for network in (own.train(training), theirs.train(training)):
            x = torch.linspace(-2, 3, torch.Size(shape).numel()).square().reshape(shape).requires_grad_()
            y = network(x)
            (y * torch.arange(y.numel()).reshape(y.shape).sin()).sum().backward()
            results.append([y, x.grad, *network.state_dict().values(), *(p.grad for p in network.parameters())])
        torch.testing.assert_close(*results)


def test_the_device_is_the_gpu_that_torch_finds() -> None:
    assert device().type == ("cuda" if torch.cuda.is_available() else "cpu")
