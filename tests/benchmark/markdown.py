"""Markdown tables, read back."""


def tables(document: str) -> list[list[list[str]]]:
    """Each Markdown table as rows of cells, the heading first."""
    found: list[list[list[str]]] = []
    before = ""
    for line in document.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not before.startswith("|"):
                found.append([])
            if set(cells) != {"---"}:
                found[-1].append(cells)
        before = line
    return found
