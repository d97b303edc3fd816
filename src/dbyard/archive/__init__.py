"""Where backups are kept: a directory or a bucket of S3, which holds objects that only the platform's keys open.

locations.py     which archive it is, and what opens it
stores.py        objects as bytes: put, read, list, delete
objects.py       what an object's bytes are: compressed, sealed in chunks, bound to its name
reading.py       the content of an object, from the archive or its copy
manifests.py     what an archive tells of a backup
journals.py      what continues a backup: a server's journal, as objects that continue one another
state_copies.py  copies of the platform's own state
sealed_files.py  files outside of an archive, which a passphrase opens
transfer.py      the program that stands beside a job and carries what its program writes or reads
"""
