"""The documentation site: the repository's own documents and pages made from the code.

`python -m documentation OUT` builds it without a network; `make docs` does so into `build/site`.
"""
