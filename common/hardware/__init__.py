"""Guest hardware: what a flavor's extra specs and an image's properties say together, checked and typed. Pure.

The API reads it to refuse what can't be, the scheduler to choose a node and to make the spec; agents only realise.
"""
