"""Networks by name, from decoupler and OmniPath, through a cache."""

from edge2torch.prior.remote.cache import fetch
from edge2torch.prior.remote.networks import PREFIXES, REMOTE, load_remote
from edge2torch.prior.remote.organism import translate_prior

__all__ = ["PREFIXES", "REMOTE", "fetch", "load_remote", "translate_prior"]
