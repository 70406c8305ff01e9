"""Markdown tables, read back."""


def tables(document: str) -> list[list[list[str]]]:
    """Each Markdown table as rows of cells, the heading first."""
    table_list: list[list[list[str]]] = []
    before = ""
    for line in document.splitlines():
        if line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if not before.startswith("|"):
                table_list.append([])
            if set(cells) != {"---"}:
                table_list[-1].append(cells)
        before = line
    return table_list
