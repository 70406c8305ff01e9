"""The ways in which a detector can compare."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from d24fad_core.comparison.kind import ComparisonKind
from d24fad_core.comparison.scoring import ScoringConfig
from d24fad_core.detection.comparison import Comparison, ModelIdentity
from d24fad_core.detection.feature_comparison import FeatureComparison
from d24fad_core.detection.learned_comparison import LearnedComparison
from d24fad_core.detection.support_cache import SupportCache
from d24fad_core.models.decoder_checkpoint import SHIPPED_DECODER, load_decoder
from d24fad_core.models.response_file import load_response
from d24fad_core.networks.d24fad import D24FAD


class Comparisons:
    """By features, translated or not, and by the decoder; each made when it is first needed.

    Args:
        network: gives the network that compares features.
        identity: of this network.
        scoring: how features are scored.
        cache: where features of normals are kept.
        decoder: folder of the decoder; None takes the shipped one.
        decoder_cache: where normals are kept as the decoder needs them; None keeps nothing.
    """

    def __init__(
        self,
        network: Callable[[], D24FAD],
        identity: ModelIdentity,
        scoring: ScoringConfig,
        cache: SupportCache,
        decoder: Path | None,
        decoder_cache: Path | None,
    ) -> None:
        self._make_network = network
        self._identity, self._scoring, self._cache = identity, scoring, cache
        self._decoder, self._decoder_cache = decoder, decoder_cache

    def of(self, kind: ComparisonKind) -> Comparison:
        """One of them.

        Raises:
            CheckpointError: the decoder cannot be loaded.
        """
        if kind is ComparisonKind.LEARNED:
            return self._by_decoder
        return self._translated if kind is ComparisonKind.TRANSLATED else self._by_features

    @cached_property
    def _by_decoder(self) -> LearnedComparison:
        folder = self._decoder or SHIPPED_DECODER
        decoder, card = load_decoder(folder)
        response = load_response(folder, card.response_hash)
        return LearnedComparison(decoder, card, response, self._decoder_cache)

    @cached_property
    def _by_features(self) -> FeatureComparison:
        return self._feature_comparison(translate=False)

    @cached_property
    def _translated(self) -> FeatureComparison:
        return self._feature_comparison(translate=True)

    def _feature_comparison(self, *, translate: bool) -> FeatureComparison:
        return FeatureComparison(
            self._network, self._identity, self._scoring, self._cache, translate=translate
        )

    @cached_property
    def _network(self) -> D24FAD:
        return self._make_network()
