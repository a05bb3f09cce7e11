-- Whose file this is, for whoever finds it ("Kasb"), and nobody else's file is taken for it.
-- From here on what is encrypted is bound to its row and column, and the salt of the pseudonyms is encrypted: the program does that, for
-- it takes the key (daemon/state/sealing.py).
PRAGMA application_id = 1264677730;
