"""Long work in the background: the jobs, their queue, and what a request resolves to."""
