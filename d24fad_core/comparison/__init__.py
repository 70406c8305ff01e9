"""How a query is compared with the normals, and how the comparisons become one map."""
