"""The support set: matching slices of normal studies to a query, and their cached features."""

from d24fad_core.support.support_set import SupportSet, SupportStudy

__all__ = ["SupportSet", "SupportStudy"]
