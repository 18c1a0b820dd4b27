"""Downloads corpora, vocabularies and question sets by name.

catalogue     what can be fetched (catalogue.yaml), with sizes and checksums
download      a source's files in a folder
http          one file over HTTP(S), resumed and verified
google_drive  one file from Google Drive
partial_file  a partly downloaded file
sample        the built-in sample, which needs no network
listing       tables and texts for people
"""
