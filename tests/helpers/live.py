"""Memory that a piece of code holds at one time, counted tensor by tensor."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of all tensors that are made inside and still held; `peak` is the most at one time."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.held = set()

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        given = {x.untyped_storage().data_ptr() for x in tree_leaves((arguments, options)) if torch.is_tensor(x)}
        result = function(*arguments, **(options or {}))
        for tensor in tree_leaves(result):
            if torch.is_tensor(tensor):
                self.add(tensor.untyped_storage(), given)
        self.peak = max(self.peak, self.now)
        return result

    def add(self, storage, given):
        address, size = storage.data_ptr(), storage.nbytes()
        if address in given or address in self.held:
            return
        self.held.add(address)
        self.now += size
        weakref.finalize(storage, self.drop, address, size)

    def drop(self, address, size):
        self.held.discard(address)
        self.now -= size
