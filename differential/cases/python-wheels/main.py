import attrs, packaging
print(attrs.__version__)
