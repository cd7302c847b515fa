import attrs, iniconfig
print(attrs.__version__)
