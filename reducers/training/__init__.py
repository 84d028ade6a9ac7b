"""What all trainings share: the file, the folder, going on after a kill, and the kinds there are. Imports

`couple` only.
"""
