"""What the routes below `/d24fad/v1` answer, field by field.

The routes build plain documents; these types say, to the type checker and in OpenAPI, what is in
them. FastAPI checks every answer against its type.
"""
