"""What a policy says: strict YAML, the models, templates, readings of a path, the route index."""
