"""The ways in which a detector can compare."""

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
    """By features, translated or not, and by the decoder, which is loaded when it is first needed.

    Args:
        network: compares features.
        identity: of this network.
        scoring: how features are scored.
        cache: where features of normals are kept.
        decoder: folder of the decoder; None takes the shipped one.
        decoder_cache: where normals are kept as the decoder needs them; None keeps nothing.
    """

    def __init__(
        self,
        network: D24FAD,
        identity: ModelIdentity,
        scoring: ScoringConfig,
        cache: SupportCache,
        decoder: Path | None,
        decoder_cache: Path | None,
    ) -> None:
        self._by_features: dict[ComparisonKind, Comparison] = {
            kind: FeatureComparison(
                network, identity, scoring, cache, translate=kind is ComparisonKind.TRANSLATED
            )
            for kind in (ComparisonKind.WINDOW, ComparisonKind.TRANSLATED)
        }
        self._by_decoder: LearnedComparison | None = None
        self._decoder, self._decoder_cache = decoder, decoder_cache

    def of(self, kind: ComparisonKind) -> Comparison:
        """One of them.

        Raises:
            CheckpointError: the decoder cannot be loaded.
        """
        if kind is not ComparisonKind.LEARNED:
            return self._by_features[kind]
        if self._by_decoder is None:
            folder = self._decoder or SHIPPED_DECODER
            decoder, card = load_decoder(folder)
            response = load_response(folder, card.response_hash)
            self._by_decoder = LearnedComparison(decoder, card, response, self._decoder_cache)
        return self._by_decoder
