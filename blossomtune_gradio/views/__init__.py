"""What a run, site, participant, app and so on look like from outside: page, REST and terminal."""
